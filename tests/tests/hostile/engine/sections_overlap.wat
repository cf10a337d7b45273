;; Two sections share their bytes.
;; => MalformedAnswer: a section overlaps another: the contents of the module

(data (i32.const 0x590) (i32 80 32))
(data (i32.const 0x578) (i64 32))
