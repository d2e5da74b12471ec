/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/child.h"
#include "cli/program.h"

static int nothing_prepare(const void *context)
{
    (void)context;
    return 0;
}

static int variable_prepare(const void *context)
{
    return setenv("CPROBE_TEST", context, 1);
}

static int failing_prepare(const void *context)
{
    (void)context;
    return -E2BIG;
}

static int shell_run(const char *script, int (*prepare)(const void *), const void *context)
{
    struct child child;
    char *arguments[] = {"sh", "-c", (char *)script, NULL};
    assert_int_equal(child_start(&child, arguments, prepare, context), 0);
    return child_wait(&child);
}

static void the_status_is_the_childs(void **state)
{
    (void)state;
    int status = shell_run("exit 7", nothing_prepare, NULL);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = shell_run("kill -KILL $$", nothing_prepare, NULL);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = shell_run("test \"$CPROBE_TEST\" = value", variable_prepare, "value");
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_null(getenv("CPROBE_TEST"));
}

static void what_cannot_start_says_why(void **state)
{
    (void)state;
    struct child child;
    char *missing[] = {"cprobe-no-such-program", NULL}, *file[] = {"/etc/passwd", NULL}, *shell[] = {"sh", NULL};
    assert_int_equal(child_start(&child, missing, nothing_prepare, NULL), -ENOENT);
    assert_int_equal(child_start(&child, file, nothing_prepare, NULL), -EACCES);
    assert_int_equal(child_start(&child, shell, failing_prepare, NULL), -E2BIG);
}

static void signals_sent_to_us_reach_the_child(void **state)
{
    (void)state;
    /* The child asks its parent, this process, for the signal; only a forwarded one ends it. */
    int status = shell_run("trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.05; done", nothing_prepare, NULL);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

static void masks_and_dispositions_are_restored(void **state)
{
    (void)state;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL}, after;
    sigset_t mask;
    sigaction(SIGCHLD, &ignore, NULL);
    int status = shell_run("exit 3", nothing_prepare, NULL);
    assert_int_equal(WEXITSTATUS(status), 3);
    sigaction(SIGCHLD, NULL, &after);
    assert_true(after.sa_handler == SIG_IGN);
    sigaction(SIGCHLD, &standard, NULL);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

static void programs_are_found_and_judged(void **state)
{
    (void)state;
    char path[4096];
    assert_int_equal(program_find("sh", path, sizeof(path)), 0);
    assert_null(program_obstacle(path));
    assert_int_equal(program_find("/bin/sh", path, sizeof(path)), 0);
    assert_int_equal(program_find("cprobe-no-such-program", path, sizeof(path)), -ENOENT);
    assert_null(program_obstacle("/etc/passwd"));
    assert_null(program_obstacle("/nonexistent"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_is_the_childs),           cmocka_unit_test(what_cannot_start_says_why),
        cmocka_unit_test(signals_sent_to_us_reach_the_child), cmocka_unit_test(masks_and_dispositions_are_restored),
        cmocka_unit_test(programs_are_found_and_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
