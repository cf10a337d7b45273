;; Loops for ever in describe.
;; => Fuel: units) in relobox_describe

(func (export "relobox_describe") (result i32)
  (loop $again (br $again)) (unreachable))
