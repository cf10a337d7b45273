;; Speaks a version of the records that is yet to come.
;; => Version: has ABI version 4, and this host supports 1 to 3: use a newer relobox, or build it for one of these

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 4)))
