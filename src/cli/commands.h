/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of commands.def. Each returns the exit status. */
#ifndef CPROBE_CLI_COMMANDS_H
#define CPROBE_CLI_COMMANDS_H

#define COMMAND(name, summary) int cmd_##name(int argc, char **argv);
#include "cli/commands.def"
#undef COMMAND

#endif
