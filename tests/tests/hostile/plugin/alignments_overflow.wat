;; Raises so many alignments that their size overflows.
;; => MalformedAnswer: 4294967295 records at 0x800 lie outside its memory

(data (i32.const 0x710) (i32 0x800 -1))
(data (i32.const 0x800) (i32 1 0) (i64 16))
