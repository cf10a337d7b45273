;; Says in its description that it speaks another version than its export says.
;; => MalformedAnswer: its ABI version is 2, and its description says 1

(data (i32.const 0x400) (i32 1))
