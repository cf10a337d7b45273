;; Does not say which version it speaks.
;; => Unusable: it does not export a proper "relobox_abi"

(module
  (memory (export "memory") 1))
