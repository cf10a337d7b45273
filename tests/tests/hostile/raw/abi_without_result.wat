;; Says nothing when it is asked which version it speaks.
;; => Unusable: it does not export a proper "relobox_abi"

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi")))
