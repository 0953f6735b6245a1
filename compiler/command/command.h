/* The command line of sgc, on sg.h alone: one table of options, one of
 * commands, one file a command.
 *
 *   options.def, commands.def -- table.c: rows
 *                             -- options.c: argv to a Command
 *                             -- command.c: messages, contexts, files
 *                             -- help.c, completion.c, manual.c: texts
 */
#ifndef SG_COMMAND_H
#define SG_COMMAND_H

#include "compiler/sg.h"

#include <stdbool.h>
#include <stdio.h>

#if defined(__GNUC__)
#define COMMAND_PRINTF __attribute__((format(printf, 2, 3)))
#else
#define COMMAND_PRINTF
#endif

/* ---- tables (table.c) ---------------------------------------------------- */

enum { WORDS_MAX = 1 << 20 };

typedef enum {
#define COMMAND(id, ...) COMMAND_##id,
#include "compiler/command/commands.def"
  COMMAND_COUNT
} CommandId;

enum {
  FOR_COMPILE = 1 << COMMAND_compile,
  FOR_EXEC = 1 << COMMAND_exec,
  FOR_CHECK = 1 << COMMAND_check,
  FOR_FMT = 1 << COMMAND_fmt,
  FOR_DIFF = 1 << COMMAND_diff,
  FOR_EXPLAIN = 1 << COMMAND_explain,
  FOR_PROGRAM = FOR_COMPILE | FOR_EXEC, /* what runs passes, one at a time */
  /* what elaborates a program */
  FOR_SOURCE = FOR_PROGRAM | FOR_CHECK | FOR_DIFF | FOR_EXPLAIN,
  FOR_ALL = (1 << COMMAND_COUNT) - 1
};

typedef enum {
#define GROUP(id, title) GROUP_##id,
#define OPTION(...)
#include "compiler/command/options.def"
  GROUP_COUNT
} OptionGroup;

typedef enum {
#define GROUP(...)
#define OPTION(id, ...) OPTION_##id,
#include "compiler/command/options.def"
  OPTION_COUNT
} OptionId;

typedef enum { SET, OWN } Handling;

/* A row of options.def. */
typedef struct {
  unsigned commands;
  OptionGroup group;
  const char *name;
  char letter;
  const char *spelled, *argument;
  Handling handling;
  const char *values, *help;
} OptionRow;

typedef struct Command Command;

/* A row of commands.def; `word` is NULL for the compiler itself. */
typedef struct {
  const char *word, *words;
  int fewest, most;
  const char *does, *more;
  sg_status (*run)(Command *command);
} CommandRow;

extern const OptionRow option_table[OPTION_COUNT];
extern const CommandRow command_table[COMMAND_COUNT];
extern const char *const group_titles[GROUP_COUNT];

/* Does this command take the option? */
bool option_is_for(OptionId option, CommandId command);
/* May the argument of an option that has one be left out? */
bool option_may_lack_value(OptionId option);
/* "sgc" or "sgc exec". Static text. */
const char *command_title(CommandId command);
/* The words an option's argument may be, NULL-terminated, in heap memory that
 * the caller frees with words_free; NULL: no list. */
char **option_words(OptionId option);
void words_free(char **words);
/* The help of an option, in heap memory. */
char *option_help(OptionId option);

/* ---- a command line (options.c) ----------------------------------------- */

/* An option for sg_set. */
typedef struct {
  const char *name, *value;
} Setting;

struct Command {
  CommandId id;
  const char **word; /* files and other words, in order */
  int word_count;
  Setting *setting; /* in order; given to each context of the command */
  int setting_count;
  const char *output, *emit;
  bool stop_at_object, stop_at_assembly;
  bool annotate;
  bool check;                  /* fmt --check */
  bool dependencies;           /* -MD */
  const char *dependency_file; /* -MF */
  const char *color;
  bool json;        /* --diagnostics=json, anywhere on the line */
  const char *edge; /* explain --edge, or NULL */
  long depth;       /* explain --depth; 0: not given */
  sg_exec_options exec;
};

typedef enum {
  PARSE_RUN,  /* carry it out */
  PARSE_DONE, /* --help and the like: it is done */
  PARSE_WRONG /* wrong use; the message is out */
} ParseResult;

/* Reads argv[0..argc) into *command, whose strings stay those of argv.
 * Release with command_free. */
ParseResult command_parse(Command *command, int argc, char **argv);
void command_free(Command *command);
/* ---- what every command does (command.c) --------------------------------- */

/* "sgc exec: ..." and where help is, on standard error; one object of JSON if
 * the command line asks for that, wherever it does. */
void command_error(const Command *command, const char *format,
                   ...) COMMAND_PRINTF;
/* The same without the line about help. */
void command_message(const Command *command, const char *format,
                     ...) COMMAND_PRINTF;
/* Empties standard output; SG_FILE, after a message, if anything written to it
 * was lost. */
sg_status command_flush(const Command *command);
/* A context with the settings of the command, whose messages go to standard
 * error; NULL, with *status set, if a setting is refused. The caller closes. */
sg_context *command_open(const Command *command, sg_status *status);

/* Carries out `what` on each file of the command, in a context that has loaded
 * it; the worst of the files decides. */
typedef sg_status FileAction(const Command *command, sg_context *sg,
                             const char *file);
sg_status command_each_file(const Command *command, FileAction *what);

/* ---- texts -------------------------------------------------------------- */

/* The page of --help, or the paragraph of --usage, on standard output. */
void help_print(CommandId command, bool usage);
/* The completion script for "bash", "zsh" or "fish". */
void completion_print(FILE *out, const char *shell);

/* ---- commands ----------------------------------------------------------- */

#define COMMAND(id, ...) sg_status command_##id(Command *command);
#include "compiler/command/commands.def"

#endif
