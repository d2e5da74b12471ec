/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/btf.h>

#include "kernel/percpu.h"

enum { QUEUE_AT = 4096, COUNTER_AT = 64 };

struct kernel {
    struct btf *btf;
    int number; /* the type int */
};

static struct kernel kernel_new(const char *member_of_task)
{
    struct kernel k = {.btf = btf__new_empty()};
    assert_non_null(k.btf);
    k.number = btf__add_int(k.btf, "int", 4, BTF_INT_SIGNED);
    assert_true(btf__add_struct(k.btf, "task_struct", 4) > 0);
    assert_int_equal(btf__add_field(k.btf, member_of_task, k.number, 0, 0), 0);
    return k;
}

/* Two variables of each CPU. */
static void variables_add(const struct kernel *k, const char *counter, int type, const char *queue)
{
    int first = btf__add_var(k->btf, counter, BTF_VAR_GLOBAL_ALLOCATED, type);
    int second = btf__add_var(k->btf, queue, BTF_VAR_GLOBAL_ALLOCATED, k->number);
    assert_true(first > 0 && second > 0);
    assert_true(btf__add_datasec(k->btf, ".data..percpu", 8192) > 0);
    assert_int_equal(btf__add_datasec_var_info(k->btf, first, COUNTER_AT, 4), 0);
    assert_int_equal(btf__add_datasec_var_info(k->btf, second, QUEUE_AT, 4), 0);
}

static void expect(struct kernel k, int64_t distance)
{
    assert_int_equal(percpu_preempt_count(k.btf), distance);
    btf__free(k.btf);
}

static void test_a_variable_of_its_own(void **state)
{
    (void)state;
    struct kernel k = kernel_new("pid");
    variables_add(&k, "__preempt_count", k.number, "runqueues");
    expect(k, COUNTER_AT - QUEUE_AT);
}

static void test_inside_of_pcpu_hot(void **state)
{
    (void)state;
    struct kernel k = kernel_new("pid");
    int inner = btf__add_struct(k.btf, NULL, 16);
    assert_int_equal(btf__add_field(k.btf, "current_task", k.number, 0, 0), 0);
    assert_int_equal(btf__add_field(k.btf, "preempt_count", k.number, 64, 0), 0);
    int either = btf__add_union(k.btf, NULL, 64);
    assert_int_equal(btf__add_field(k.btf, NULL, inner, 0, 0), 0);
    int hot = btf__add_struct(k.btf, "pcpu_hot", 64);
    assert_int_equal(btf__add_field(k.btf, NULL, either, 0, 0), 0);
    variables_add(&k, "pcpu_hot", hot, "runqueues");
    expect(k, COUNTER_AT + 8 - QUEUE_AT);
}

static void test_not_known(void **state)
{
    (void)state;
    struct kernel k = kernel_new("pid");
    expect(k, 0);
    k = kernel_new("pid");
    variables_add(&k, "__preempt_count", k.number, "something_else");
    expect(k, 0);
    k = kernel_new("pid");
    variables_add(&k, "something_else", k.number, "runqueues");
    expect(k, 0);
}

/* A kernel with PREEMPT_RT counts deferred interrupts in the task. */
static void test_counted_elsewhere(void **state)
{
    (void)state;
    struct kernel k = kernel_new("softirq_disable_cnt");
    variables_add(&k, "__preempt_count", k.number, "runqueues");
    expect(k, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_variable_of_its_own),
        cmocka_unit_test(test_inside_of_pcpu_hot),
        cmocka_unit_test(test_not_known),
        cmocka_unit_test(test_counted_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
