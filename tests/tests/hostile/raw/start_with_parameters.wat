;; Its start function wants to be given something.
;; => Unusable: invalid start function type

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 2))
  (func $start (param i32))
  (start $start))
