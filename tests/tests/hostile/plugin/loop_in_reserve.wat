;; Loops for ever in reserve.
;; => Fuel: units) in relobox_reserve

(func (export "relobox_reserve") (param i32) (result i32)
  (loop $again (br $again)) (unreachable))
