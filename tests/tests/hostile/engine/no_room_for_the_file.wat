;; Has no room for the file.
;; => Memory: has no room for 128 bytes

(func (export "relobox_reserve") (param i32) (result i32)
  (i32.const 0))
