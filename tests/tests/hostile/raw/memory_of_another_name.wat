;; Exports its memory, but not by the name.
;; => Unusable: it does not export "memory"

(module
  (memory (export "Memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 2)))
