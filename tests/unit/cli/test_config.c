/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/message.h"

static char error[ERROR_SIZE];
static char directory[] = "/tmp/cprobe-config.XXXXXX";

static int directory_setup(void **state)
{
    (void)state;
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int directory_teardown(void **state)
{
    (void)state;
    unlink("c.yaml");
    unlink("cprobe.yaml");
    return chdir("/") == 0 ? rmdir(directory) : -1;
}

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static int load(struct config *config, const char *text)
{
    file_write("c.yaml", text);
    config_init(config);
    return config_load(config, "c.yaml", error, sizeof(error));
}

static void every_section_takes_effect(void **state)
{
    (void)state;
    struct config config;
    if (load(&config,
             "record: {dir: /var/x, max_size: 128M, quiet: yes}\n"
             "rules:\n  non-yielding-io: {share: 5%}\n  loop-stall:\n    threshold: 250ms\n"
             "suppressions:\n  - \"non-yielding-io:*legacy.py\"\n  - '*:x'\n"
             "fail_on: [error, loop-stall]\n"
             "connect:\n  mode: enforce\n  allow:\n    - \"redis://127.0.0.1:6379\"\n"
             "    - {peer: \"mysql://*\", process: \"celery*\"}\n") < 0)
        fail_msg("%s", error);
    const struct process_info celery = {.name = "celery"}, web = {.name = "gunicorn"};
    const struct peer mysql = {.protocol = "mysql", .family = "inet", .address = "127.0.0.1:3306"};
    assert_ptr_equal(config.analysis.policy, config.policy);
    assert_true(policy_allows(config.policy, &celery, &mysql));
    assert_false(policy_allows(config.policy, &web, &mysql));
    assert_string_equal(config.record.value[RECORDER_dir], "/var/x");
    assert_string_equal(config.record.value[RECORDER_max_size], "128M");
    assert_string_equal(config.record.value[RECORDER_quiet], "1");
    assert_null(config.record.value[RECORDER_stall]);
    assert_true(config.analysis.io_share == 0.05);
    assert_int_equal(config.analysis.stall_threshold, 250000000);
    assert_int_equal(config.suppressions.count, 2);
    assert_string_equal(config.suppressions.items[0].origin, "c.yaml:7");
    assert_true(config.has_fail_on);
    assert_true(config.fail_on.severity_given && config.fail_on.severity == SEVERITY_ERROR);
    assert_true(config.fail_on.rules != 0);
    config_free(&config);
}

static void a_policy_that_only_lists_is_not_in_force(void **state)
{
    (void)state;
    struct config config;
    assert_int_equal(load(&config, "connect: {mode: list, allow: [\"redis://x\"]}\n"), 0);
    assert_non_null(config.policy);
    assert_null(config.analysis.policy);
    config_free(&config);
}

static void an_empty_file_changes_nothing(void **state)
{
    (void)state;
    struct config config;
    struct analysis_options defaults;
    analysis_options_init(&defaults);
    assert_int_equal(load(&config, "# nothing yet\n"), 0);
    assert_memory_equal(&config.analysis, &defaults, sizeof(defaults));
    assert_false(config.has_fail_on);
    config_free(&config);
}

static void assert_refused(const char *text, const char *reason)
{
    struct config config;
    assert_true(load(&config, text) < 0);
    if (strcmp(error, reason) != 0)
        fail_msg("'%s' is not '%s'", error, reason);
    config_free(&config);
}

static void mistakes_name_file_line_and_the_nearest_key(void **state)
{
    (void)state;
    assert_refused("recrod: {}\n", "c.yaml:1: unknown key 'recrod'; did you mean 'record'?");
    assert_refused("zzzzzzzz: {}\n",
                   "c.yaml:1: unknown key 'zzzzzzzz'; known: record, rules, suppressions, fail_on, connect");
    assert_refused("connect: {mode: enforced}\n",
                   "c.yaml:1: unknown mode of connect: 'enforced'; did you mean 'enforce'?");
    assert_refused("connect:\n  alow: []\n", "c.yaml:2: unknown key in connect: 'alow'; did you mean 'allow'?");
    assert_refused("connect:\n  allow:\n    - \"reddis://x\"\n",
                   "c.yaml:3: unknown protocol 'reddis'; did you mean 'redis'?");
    assert_refused("connect: {allow: [{peer: x, proces: y}]}\n",
                   "c.yaml:1: unknown key of an allowed peer 'proces'; did you mean 'process'?");
    assert_refused("record:\n  max-size: 5M\n",
                   "c.yaml:2: unknown key in record: 'max-size'; did you mean 'max_size'?");
    assert_refused("record:\n  sample: 5\n",
                   "c.yaml:2: '5' is not a value for sample; give a time from 1us to 10s, such as 1ms");
    assert_refused("rules: {loop-stal: {threshold: 1s}}\n",
                   "c.yaml:1: unknown rule 'loop-stal'; did you mean 'loop-stall'?");
    assert_refused("rules:\n  loop-stall:\n    treshold: 1s\n",
                   "c.yaml:3: unknown threshold of loop-stall 'treshold'; did you mean 'threshold'?");
    assert_refused("\nfail_on: eror\n",
                   "c.yaml:2: 'eror' is neither a rule of this build nor a severity; did you mean 'error'?");
}

static void values_of_the_wrong_kind_are_refused(void **state)
{
    (void)state;
    assert_refused("- a\n", "c.yaml:1: the configuration must be a mapping of keys to values");
    assert_refused("record: 5\n", "c.yaml:1: record: must be a mapping of keys to values");
    assert_refused("record: {dir: [a]}\n", "c.yaml:1: a setting of the recorder must be a single value");
    assert_refused("rules: {loop-stall: 5}\n", "c.yaml:1: a rule must be a mapping of keys to values");
    assert_refused("rules: {loop-stall: {threshold: []}}\n", "c.yaml:1: a threshold must be a single value");
    assert_refused("suppressions: x\n",
                   "c.yaml:1: suppressions: must be a list, as in [\"non-yielding-io:*views.py\"]");
    assert_refused("suppressions: [{a: b}]\n",
                   "c.yaml:1: a suppression must be text of the form rule:pattern, in quotes");
    assert_refused("connect: {allow: x}\n",
                   "c.yaml:1: allow: must be a list of peers, as in [\"redis://127.0.0.1:6379\"]");
    assert_refused("connect: {allow: [{process: x}]}\n",
                   "c.yaml:1: an allowed peer needs peer:, as in {peer: \"mysql://db\", process: \"celery*\"}");
    assert_refused("connect: {allow: [10.0.0.0/99]}\n",
                   "c.yaml:1: '10.0.0.0/99' is not a range of addresses such as 10.0.0.0/8");
    assert_refused("fail_on: {a: b}\n", "c.yaml:1: fail_on: must be a list of rules and severities");
    assert_refused("? [a]\n: b\n", "c.yaml:1: a key must be plain text");
    assert_refused("fail_on: all\nfail_on: error\n", "c.yaml:2: key 'fail_on' stands twice");
    assert_refused("fail_on: all\n---\nfail_on: all\n", "c.yaml:3: a second YAML document has no effect; join the two");
    assert_refused("record: &r {dir: *r}\n", "c.yaml:1: a setting of the recorder must be a single value");
}

static void broken_yaml_names_the_line(void **state)
{
    (void)state;
    struct config config;
    assert_true(load(&config, "fail_on: all\nrecord: {\n") < 0);
    assert_ptr_equal(strstr(error, "c.yaml:"), error);
    config_free(&config);
    assert_true(load(&config, "record: \"\xff\"\n") < 0);
    config_free(&config);
}

static void the_file_is_found_in_order(void **state)
{
    (void)state;
    struct config config;
    unsetenv("CPROBE_CONFIG");
    assert_null(config_find(NULL));
    file_write("cprobe.yaml", "");
    assert_string_equal(config_find(NULL), "cprobe.yaml");
    setenv("CPROBE_CONFIG", "/env.yaml", 1);
    assert_string_equal(config_find(NULL), "/env.yaml");
    assert_string_equal(config_find("named.yaml"), "named.yaml");
    unsetenv("CPROBE_CONFIG");
    config_init(&config);
    assert_true(config_load(&config, "named.yaml", error, sizeof(error)) < 0);
    assert_string_equal(error, "cannot read configuration named.yaml: No such file or directory");
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_section_takes_effect),
        cmocka_unit_test(a_policy_that_only_lists_is_not_in_force),
        cmocka_unit_test(an_empty_file_changes_nothing),
        cmocka_unit_test(mistakes_name_file_line_and_the_nearest_key),
        cmocka_unit_test(values_of_the_wrong_kind_are_refused),
        cmocka_unit_test(broken_yaml_names_the_line),
        cmocka_unit_test(the_file_is_found_in_order),
    };
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
