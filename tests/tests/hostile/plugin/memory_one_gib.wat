;; Wants 1 GiB before it has a job.
;; => Memory: has no room for 1073741824 bytes

(memory (export "memory") 16384)
