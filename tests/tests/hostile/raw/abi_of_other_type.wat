;; Says which version it speaks in 64 bits.
;; => Unusable: it does not export a proper "relobox_abi"

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i64) (i64.const 1)))
