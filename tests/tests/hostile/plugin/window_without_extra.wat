;; Claims a window for a relocation whose row allows none.
;; => MalformedAnswer: its plan has a window that its row does not allow

(data (i32.const 0x718) (i32 0x800 1))
(data (i32.const 0x800) (i32 2 1) (i64 0))
