;; Loops for ever in abi.
;; => Fuel: units) in relobox_abi

(func (export "relobox_abi") (result i32)
  (loop $again (br $again)) (unreachable))
