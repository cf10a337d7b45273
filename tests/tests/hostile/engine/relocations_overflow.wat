;; It has so many relocations that their size overflows.
;; => MalformedAnswer: a table of the module is out of bounds

(data (i32.const 0x428) (i32 0x500 -1))
