/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiler vocabulary that every folder may use. */
#ifndef CPROBE_BASE_COMPILER_H
#define CPROBE_BASE_COMPILER_H

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* What stands between the program and libc: exported, and kept together in memory. */
#define EXPORT __attribute__((visibility("default"), hot))
/* For variables of the library that hot code reads: no detour through the table of addresses. */
#define HIDDEN __attribute__((visibility("hidden")))
#define HOT __attribute__((hot))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((cold, noinline))
#define FALLTHROUGH __attribute__((fallthrough))

/* The recorder's thread-local state: no call to __tls_get_addr, which may allocate. */
#define TLS_INITIAL_EXEC __thread __attribute__((tls_model("initial-exec")))

/* Shared words. The memory order is part of the name at every use. */
#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define exchange_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define cas_acq_rel(p, expected, desired) \
    __atomic_compare_exchange_n((p), (expected), (desired), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/* Keeps the compiler from moving memory accesses across; what a signal handler on the same thread sees. */
#define signal_fence() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + (a)-1) & ~((__typeof__(x))(a)-1))

#endif
