;; Speaks another version of the records.
;; => Version: has ABI version 2, and this host speaks 1

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 2)))
