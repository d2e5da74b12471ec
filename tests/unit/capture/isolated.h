/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs each test in a process of its own, for parts whose tables live as long as their process. */
#ifndef CPROBE_TESTS_ISOLATED_H
#define CPROBE_TESTS_ISOLATED_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* How many failed. */
static inline int isolated_run(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0, status;
    for (size_t i = 0; i < count; i++) {
        const struct CMUnitTest one[] = {tests[i]};
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            status = cmocka_run_group_tests(one, NULL, NULL);
            fflush(NULL);
            _exit(status);
        }
        failed += child < 0 || waitpid(child, &status, 0) != child || status != 0;
    }
    return failed;
}

#endif
