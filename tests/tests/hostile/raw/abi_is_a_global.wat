;; Says which version it speaks in a number, not a function.
;; => Unusable: it does not export a proper "relobox_abi"

(module
  (memory (export "memory") 1)
  (global (export "relobox_abi") i32 (i32.const 1)))
