;; Speaks a version that never was.
;; => Version: has ABI version 0, and this host supports 1 to 3: rebuild it with the header or SDK of this version

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 0)))
