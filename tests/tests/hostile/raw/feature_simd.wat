;; Uses vectors.
;; => Unusable: 

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 1))
  (func (result v128) (i32x4.splat (i32.const 1))))
