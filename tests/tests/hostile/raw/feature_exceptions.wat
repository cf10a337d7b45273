;; Throws exceptions.
;; => Unusable: 

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 1))
  (tag $t) (func (throw $t)))
