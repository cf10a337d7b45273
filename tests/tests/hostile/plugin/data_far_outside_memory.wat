;; Its data begins beyond its memory.
;; => Trap: trapped in start

(data (i32.const -1) "nowhere")
