/*
 * Fibers: stacks and switches. See fiber.h.
 *
 * DESIGN, after QEMU's coroutine-ucontext: makecontext() gets onto a new stack once in the stack's life; every later
 * switch is a sigsetjmp()/siglongjmp() pair that leaves the signal mask alone, and so makes no system call. A stack is
 * a mapping of its own:
 *
 *     | guard page | ............ stack, growing down ............ | struct fiber_stack, struct fiber |
 *
 * The fiber's own bookkeeping lies in the page that is touched anyway, so an idle fiber costs one page. Finished fibers
 * keep their stack and wait in a pool, last in first out, so that the warm ones are used again. This is the only file
 * that tells ASan, TSan and valgrind about stacks.
 */

/* The fortified longjmp() takes a jump to another stack for an error. */
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 0

#include "fiber/fiber.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "base/panic.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define WITH_TSAN 1
#else
#define WITH_TSAN 0
#endif

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(start, end) 0
#endif

enum {
    TRIM_MARGIN_BYTES = 256,
    GUARD_BYTES = 1024 * 1024, /* address space only; a larger frame has to be probed: -fstack-clash-protection */
    POOL_KEPT = 64,            /* stacks that stay, though nobody needs them */
    SURPLUS_MAX = 16,          /* that is given back at a time */
    FAULT_LINE_S = 2,
};

/* Where control is: the registers to jump to, and what the sanitizers want to know of the stack they belong to. */
struct context {
    sigjmp_buf registers;
    void *asan_fake_stack;
    const void *stack_bottom;
    size_t stack_bytes;
    void *tsan_fiber;
};

struct fiber_stack {
    struct context context;
    char *mapping; /* begins with the guard */
    bool has_ended;
};

/* At the top of every mapping. */
struct fiber_top {
    struct fiber_stack stack;
    struct fiber fiber;
    uv_timer_t timer; /* fiber.timer */
};

static struct {
    size_t page_bytes;
    size_t mapping_bytes; /* guard included */
    size_t limit;
    size_t count;
    struct list pool;
    size_t pooled_count;
    size_t least_pooled; /* since fiber_find_surplus() was called */
    size_t surplus;      /* that it has found */
    struct fiber *current;
    volatile uint32_t *published; /* where the running fiber's number is written; never NULL */
    struct context loop;          /* the loop's stack */
    char signal_stack[64 * 1024];
} fibers;

static volatile uint32_t nowhere;

/* -------------------- switching -------------------- */

static void before_switch(struct context *from, const struct context *to)
{
#if WITH_ASAN
    __sanitizer_start_switch_fiber(&from->asan_fake_stack, to->stack_bottom, to->stack_bytes);
#endif
#if WITH_TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    (void)from, (void)to;
}

static void after_switch(struct context *here, struct context *from)
{
#if WITH_ASAN
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(here->asan_fake_stack, &bottom, &bytes);
    if (from->stack_bottom == NULL) { /* the first time that we come from the loop's stack */
        from->stack_bottom = bottom;
        from->stack_bytes = bytes;
    }
#endif
    (void)here, (void)from;
}

/* Out of line, so that no value cached in a register crosses the switch. */
static void __attribute__((noinline)) context_switch(struct context *from, struct context *to)
{
    if (sigsetjmp(from->registers, 0) == 0) {
        before_switch(from,
                      to); /* behind sigsetjmp(), which TSan notes down for the fiber that it takes to be running */
        siglongjmp(to->registers, 1);
    }
    after_switch(from, to);
}

/* The life of a stack: one function after another, each begun by fiber_enter(). */
static void stack_main(unsigned int high, unsigned int low)
{
    struct fiber *fiber = (struct fiber *)(((uintptr_t)high << 32) | low);
    after_switch(&fiber->stack->context, &fibers.loop);
    for (;;) {
        fiber->fn(fiber->arg);
        fiber->stack->has_ended = true;
        context_switch(&fiber->stack->context, &fibers.loop);
    }
}

/* Lets the stack begin in stack_main(), and comes back at its first switch to the loop's stack. */
static void __attribute__((noinline)) stack_begin(struct fiber *fiber)
{
    ucontext_t begin;
    ucontext_t unused;
    struct fiber_stack *stack = fiber->stack;
    ENSURE(getcontext(&begin) == 0);
    begin.uc_stack.ss_sp = stack->mapping + GUARD_BYTES;
    begin.uc_stack.ss_size = stack->context.stack_bytes;
    begin.uc_link = NULL;
    uintptr_t address = (uintptr_t)fiber;
    makecontext(&begin, (void (*)(void))stack_main, 2, (unsigned int)(address >> 32), (unsigned int)address);

    if (sigsetjmp(fibers.loop.registers, 0) == 0) {
        before_switch(&fibers.loop, &stack->context);
        swapcontext(&unused, &begin);
    }
    after_switch(&fibers.loop, &stack->context);
}

/* -------------------- stacks -------------------- */

static struct fiber *stack_map(void)
{
    char *mapping = mmap(NULL, fibers.mapping_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED)
        return NULL;
    if (mprotect(mapping, GUARD_BYTES, PROT_NONE) != 0) {
        munmap(mapping, fibers.mapping_bytes);
        return NULL;
    }
    uintptr_t top_address = (uintptr_t)(mapping + fibers.mapping_bytes - sizeof(struct fiber_top)) & ~(uintptr_t)63;
    struct fiber_top *top = (struct fiber_top *)top_address;
    char *bottom = mapping + GUARD_BYTES;
    top->stack.mapping = mapping;
    top->stack.context.stack_bottom = bottom;
    top->stack.context.stack_bytes = (size_t)((char *)top - bottom);
    top->fiber.stack = &top->stack;
    top->fiber.timer = &top->timer;
    list_init(&top->fiber.link);
#if WITH_TSAN
    top->stack.context.tsan_fiber = __tsan_create_fiber(0);
#endif
    (void)VALGRIND_STACK_REGISTER(bottom, (char *)top);
    return &top->fiber;
}

static void stack_unmap(struct fiber *fiber)
{
#if WITH_TSAN
    __tsan_destroy_fiber(fiber->stack->context.tsan_fiber);
#endif
#if WITH_ASAN
    __asan_unpoison_memory_region(fiber->stack->mapping, fibers.mapping_bytes);
#endif
    munmap(fiber->stack->mapping, fibers.mapping_bytes);
}

/* -------------------- stack overflow -------------------- */

static bool is_in_guard(const char *address)
{
    const char *guard = fibers.current != NULL ? fibers.current->stack->mapping : NULL;
    return guard != NULL && address >= guard && address < guard + GUARD_BYTES;
}

/*
 * Names the overflow of a stack, then lets the fault happen again with its default effect: the worker dies, the pool
 * goes on. A signal that somebody has sent (si_code <= 0) does not happen again by itself. Logging is not meant for
 * signal handlers: should it hang, the alarm ends the process.
 */
static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    bool is_sent = info->si_code <= 0;
    signal(signal_number, SIG_DFL);
    if (!is_sent && is_in_guard(info->si_addr)) {
        alarm(FAULT_LINE_S);
        log_event(MID_ERROR, "fiber.stack-overflow",
                  "stack_kib=%zu reason=\"a handler used more than its stack\" setting=stack-kib",
                  (fibers.mapping_bytes - GUARD_BYTES) / 1024);
    }
    if (is_sent)
        raise(signal_number);
}

static void catch_faults(void)
{
    stack_t stack = {.ss_sp = fibers.signal_stack, .ss_size = sizeof(fibers.signal_stack)};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    ENSURE(sigaltstack(&stack, NULL) == 0);
    ENSURE(sigaction(SIGSEGV, &action, NULL) == 0);
    ENSURE(sigaction(SIGBUS, &action, NULL) == 0);
}

/* -------------------- the interface -------------------- */

void fiber_init(size_t stack_bytes, size_t limit)
{
    fibers.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    fibers.mapping_bytes = GUARD_BYTES + (stack_bytes + fibers.page_bytes - 1) / fibers.page_bytes * fibers.page_bytes;
    fibers.limit = limit;
    fibers.count = 0;
    fibers.current = NULL;
    list_init(&fibers.pool);
    fibers.pooled_count = fibers.least_pooled = 0;
#if WITH_TSAN
    fibers.loop.tsan_fiber = __tsan_get_current_fiber();
#endif
    if (fibers.published == NULL)
        fibers.published = &nowhere;
    catch_faults();
}

void fiber_fini(void)
{
    ENSURE(fibers.count == 0);
    struct list *link;
    while ((link = list_take_first(&fibers.pool)) != NULL)
        stack_unmap(LIST_ELEMENT(link, struct fiber, link));
    fibers.pooled_count = 0;
}

struct fiber *fiber_take_surplus(void)
{
    if (fibers.surplus == 0)
        return NULL;
    fibers.surplus--;
    fibers.pooled_count--;
    struct list *link = fibers.pool.previous; /* which has rested longest */
    list_remove(link);
    return LIST_ELEMENT(link, struct fiber, link);
}

void fiber_find_surplus(void)
{
    size_t unneeded = fibers.least_pooled > POOL_KEPT ? fibers.least_pooled - POOL_KEPT : 0;
    fibers.surplus = unneeded < SURPLUS_MAX ? unneeded : SURPLUS_MAX;
    fibers.least_pooled = fibers.pooled_count - fibers.surplus;
}

void fiber_unmap(struct fiber *fiber)
{
    stack_unmap(fiber);
}

struct fiber *fiber_new(fiber_fn *fn, void *arg)
{
    if (fibers.count >= fibers.limit)
        return NULL;
    struct list *link = list_take_first(&fibers.pool);
    struct fiber *fiber = link != NULL ? LIST_ELEMENT(link, struct fiber, link) : stack_map();
    if (fiber == NULL)
        return NULL;
    if (link != NULL)
        fibers.pooled_count--;
    if (fibers.pooled_count < fibers.least_pooled)
        fibers.least_pooled = fibers.pooled_count;
    fibers.count++;
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->number = 0;
    fiber->is_ready = fiber->is_parked = false;
    return fiber;
}

bool fiber_enter(struct fiber *fiber)
{
    ENSURE(fibers.current == NULL);
    fibers.current = fiber;
    *fibers.published = fiber->number;
    if (fiber->has_begun) {
        context_switch(&fibers.loop, &fiber->stack->context);
    } else {
        fiber->has_begun = true;
        stack_begin(fiber);
    }
    fibers.current = NULL;
    *fibers.published = 0;
    if (!fiber->stack->has_ended)
        return false;
    fiber->stack->has_ended = false;
    list_prepend(&fibers.pool, &fiber->link);
    fibers.pooled_count++;
    fibers.count--;
    return true;
}

#if WITH_ASAN
/* In a test build the process stops itself at this suspension, counted from 1, so that a test can do to it, and to what
 * it waits for, whatever it likes just then: TEST_STOP_AT=7. */
static void stop_for_test(void)
{
    static long at = -1;
    static long count;
    if (at < 0) {
        const char *wanted = getenv("TEST_STOP_AT");
        at = wanted != NULL ? strtol(wanted, NULL, 10) : 0;
    }
    if (++count == at)
        raise(SIGSTOP);
}
#else
static void stop_for_test(void)
{
}
#endif

void fiber_leave(void)
{
    ENSURE(fibers.current != NULL);
    stop_for_test();
    context_switch(&fibers.current->stack->context, &fibers.loop);
}

void fiber_publish(volatile uint32_t *place)
{
    fibers.published = place;
}

void fiber_set_number(uint32_t number)
{
    ENSURE(fibers.current != NULL);
    fibers.current->number = number;
    *fibers.published = number;
}

struct fiber *fiber_current(void)
{
    return fibers.current;
}

size_t fiber_count(void)
{
    return fibers.count;
}

size_t fiber_pooled_count(void)
{
    return fibers.pooled_count;
}

void fiber_trim_stack(void)
{
    ENSURE(fibers.current != NULL);
    char *bottom = fibers.current->stack->mapping + GUARD_BYTES;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    /* The call of madvise() itself still needs a few words below this frame. */
    char *rest_end = (char *)((here - TRIM_MARGIN_BYTES) & ~(uintptr_t)(fibers.page_bytes - 1));
    if (!WITH_ASAN && rest_end > bottom)
        madvise(bottom, (size_t)(rest_end - bottom), MADV_DONTNEED);
}
