;; Does not export its memory.
;; => Unusable: it does not export "memory"

(module
  (memory 1)
  (func (export "relobox_abi") (result i32) (i32.const 1)))
