;; Loops for ever in apply.
;; => Fuel: units) in relobox_apply

(func (export "relobox_apply") (param $job i32) (result i32)
  (loop $again (br $again)) (unreachable))
