;; Has 100,000 rows, each with long texts.
;; => MalformedAnswer: more than 4096 machines, inputs or rows

(memory (export "memory") 100)
(data (i32.const 0x428) (i32 0x10000 100000))
