/* Writes what is made from the tables of the compiler: manual pages, and the
 * syntax files of editors.
 *
 * usage: sg-manual sgc|sg|sgir
 *        sg-manual expand TEMPLATE
 *
 * Out: sgc(1) from the options and commands, sg(5) from the words, formats and
 * built-in functions, sgir(5) from the levels, ops and passes, in roff with the
 * `man` macros; or the template with each `@LIST:SEPARATOR@` filled in. Run by
 * the build, not installed.
 */
#include "compiler/command/command.h"
#include "compiler/front/parser.h"
#include "ir/ir.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- roff ---------------------------------------------------------------- */

/* Text in which nothing is taken for a command. */
static void put(const char *text) {
  if (*text == '.' || *text == '\'')
    fputs("\\&", stdout);
  for (; *text; text++) {
    if (*text == '\\')
      fputs("\\e", stdout);
    else if (*text == '-')
      fputs("\\-", stdout);
    else
      putchar(*text);
  }
}

static void line(const char *macro, const char *text) {
  printf("%s ", macro);
  put(text);
  putchar('\n');
}

static void paragraph(const char *text) {
  fputs(".PP\n", stdout);
  put(text);
  putchar('\n');
}

static void heading(const char *title, const char *section, const char *what) {
  printf(".\\\" Made by sg-manual from the compiler's tables.\n"
         ".TH %s %s \"\" \"Scalegraph %s\" \"Scalegraph\"\n.SH NAME\n",
         title, section, sg_version());
  put(what);
  putchar('\n');
}

/* A text of lines as they are. */
static void verbatim(const char *text) {
  fputs(".PP\n.nf\n", stdout);
  while (*text) {
    size_t length = strcspn(text, "\n");
    char *one = strndup(text, length);
    if (!one)
      exit(SG_INTERNAL);
    put(one);
    putchar('\n');
    free(one);
    text += length + (text[length] == '\n');
  }
  fputs(".fi\n", stdout);
}

/* ---- sgc(1) -------------------------------------------------------------- */

static void synopsis(void) {
  fputs(".SH SYNOPSIS\n", stdout);
  for (int i = 0; i < COMMAND_COUNT; i++) {
    if (i)
      fputs(".br\n", stdout);
    fputs(".B ", stdout);
    put(command_title((CommandId)i));
    fputs("\n[options] ", stdout);
    put(command_table[i].words);
    putchar('\n');
  }
}

static void commands(void) {
  fputs(".SH COMMANDS\n", stdout);
  for (int i = 0; i < COMMAND_COUNT; i++) {
    fputs(".TP\n.B ", stdout);
    put(command_title((CommandId)i));
    putchar('\n');
    put(command_table[i].does);
    putchar('\n');
    put(command_table[i].more);
    putchar('\n');
  }
}

/* `-o, --output=FILE`, or the form of its own. */
static void option_tag(const OptionRow *row) {
  fputs(".TP\n.B ", stdout);
  if (row->spelled) {
    put(row->spelled);
    if (row->argument && row->spelled[strlen(row->spelled) - 1] != '=')
      putchar(' ');
  } else {
    char letter[] = {'-', row->letter, '\0'};
    if (row->letter)
      put(letter);
    if (row->letter && row->name)
      fputs(", ", stdout);
    if (row->name) {
      fputs("\\-\\-", stdout);
      put(row->name);
      if (row->argument)
        putchar('=');
    }
    if (row->argument && !row->name)
      putchar(' ');
  }
  put(row->argument ? row->argument : "");
  putchar('\n');
}

/* Which commands take it, unless all do or the compiler alone. */
static void option_commands(OptionId option) {
  unsigned who = option_table[option].commands;
  if (who == FOR_ALL || who == FOR_COMPILE)
    return;
  fputs("(", stdout);
  const char *between = "";
  for (int i = 0; i < COMMAND_COUNT; i++)
    if (option_is_for(option, (CommandId)i)) {
      fputs(between, stdout);
      put(command_title((CommandId)i));
      between = ", ";
    }
  fputs(")\n", stdout);
}

static void options(void) {
  fputs(".SH OPTIONS\n", stdout);
  for (int group = 0; group < GROUP_COUNT; group++) {
    line(".SS", group_titles[group]);
    for (int i = 0; i < OPTION_COUNT; i++) {
      if ((int)option_table[i].group != group)
        continue;
      option_tag(&option_table[i]);
      char *help = option_help((OptionId)i);
      put(help);
      fputs(".\n", stdout);
      free(help);
      option_commands((OptionId)i);
    }
  }
}

static void topics(void) {
  for (const char *const *topic = sg_topics(); *topic; topic++) {
    char *text = sg_topic(*topic);
    fputs(".SH ", stdout);
    for (const char *c = *topic; *c; c++)
      putchar(toupper((unsigned char)*c));
    putchar('\n');
    verbatim(text);
    free(text);
  }
}

static const struct {
  int code;
  const char *meaning;
} exit_codes[] = {
    {SG_OK, "fine"},
    {SG_PROGRAM,
     "the program has errors; for fmt --check and diff, it differs"},
    {SG_USAGE, "wrong use of the command"},
    {SG_FILE, "a file was not found, or cannot be read or written"},
    {SG_INTERNAL, "an error of the compiler; sgc-crash-*.sgir reproduces it"}};

static void page_sgc(void) {
  heading("SGC", "1", "sgc - compiler for 8-bit machine learning");
  synopsis();
  fputs(".SH DESCRIPTION\n", stdout);
  put("sgc translates programs in the language of sg(5), or their textual IR, "
      "sgir(5), to executables, object files, or the text of any stage "
      "between. "
      "It behaves like cc: one file in, one file out, silence on success.\n");
  commands();
  options();
  topics();
  fputs(".SH EXIT STATUS\n", stdout);
  for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++) {
    printf(".TP\n.B %d\n", exit_codes[i].code);
    put(exit_codes[i].meaning);
    putchar('\n');
  }
  fputs(".SH ENVIRONMENT\n", stdout);
  fputs(".TP\n.B CC\nthe linker driver, unless \\-\\-cc names another.\n"
        ".TP\n.B NO_COLOR\nif set, messages are not coloured unless "
        "\\-\\-color=always asks for it.\n"
        ".SH EXAMPLES\n",
        stdout);
  verbatim("sgc mlp.sg -o mlp && ./mlp train\n"
           "sgc mlp.sg --recipe=fp8 --emit=scaled --fold-layers\n"
           "sgc check --diagnostics=json *.sg\n"
           "source <(sgc --completion=bash)\n");
  fputs(".SH SEE ALSO\n.BR sg (5),\n.BR sgir (5)\n", stdout);
}

/* ---- sg(5) --------------------------------------------------------------- */

static void words(const char *title, int first, int last) {
  line(".SH", title);
  for (int kind = first; kind <= last; kind++) {
    put(token_text(kind));
    putchar('\n');
  }
}

static const struct {
  const char *name, *parameters;
} builtins[] = {
#define BUILTIN(name, parameters, ...) {#name, parameters},
#define RESERVED(...)
#include "compiler/front/builtins.def"
};

static const char *const reserved[] = {
#define BUILTIN(...)
#define RESERVED(name, ...) #name,
#include "compiler/front/builtins.def"
    NULL};

/* `sum(x, pattern = .., axis = ..)`: `?` marks what may be left out. */
static void builtin(const char *name, const char *parameters) {
  printf(".TP\n.BR %s (", name);
  const char *between = "";
  while (*parameters) {
    size_t length = strcspn(parameters, " ");
    bool optional = length && parameters[length - 1] == '?';
    printf(optional ? "%s[%.*s]" : "%s%.*s", between, (int)length - optional,
           parameters);
    between = ",\\ ";
    parameters += length + strspn(parameters + length, " ");
  }
  fputs(")\n\\&\n", stdout);
}

static void page_sg(void) {
  heading("SG", "5", "sg - the language of sgc(1)");
  fputs(".SH DESCRIPTION\n", stdout);
  put("A .sg file describes a model, the data it learns from, how it is "
      "trained "
      "and what it is used for; a recipe says in which numbers that is carried "
      "out. The page docs/language.md teaches it by example.\n");
  verbatim("import nn\nimport optim\n\n"
           "model net: nn.Linear(4, 2)\n\n"
           "entry scores(x: [3, 4]) -> [3, 2] = net(x)\n");
  words("RESERVED WORDS", TOKEN_FN, TOKEN_MINIMIZE);
  words("SOFT WORDS", TOKEN_MODULE, TOKEN_REPEAT);
  paragraph("These are keywords where an item or a statement begins, and names "
            "elsewhere.");
  fputs(".SH ELEMENT TYPES\n", stdout);
  for (int i = 0; i < FORMAT_COUNT; i++) {
    put(format_info((Format)i)->text);
    putchar('\n');
  }
  fputs(".SH BUILT-IN FUNCTIONS\nWhat stands in brackets may be left out.\n",
        stdout);
  for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++)
    builtin(builtins[i].name, builtins[i].parameters);
  if (reserved[0])
    paragraph("Reserved, and refused by name in this version:");
  for (int i = 0; reserved[i]; i++) {
    put(reserved[i]);
    putchar('\n');
  }
  fputs(".SH SEE ALSO\n.BR sgc (1),\n.BR sgir (5)\n", stdout);
}

/* ---- sgir(5) ------------------------------------------------------------- */

static const char *const classes[OP_COUNT] = {
#define OP(id, text, inputs, attributes, class, ...) #class,
#include "ir/ops.def"
};

/* Attributes behind the operands: pattern, then the rows of attributes.def. */
static void op_attributes(const OpInfo *info) {
  const char *between = "; ";
  if (info->attributes & ATTR(PATTERN)) {
    fputs("; pattern", stdout);
    between = ", ";
  }
  for (int i = 0; i < PLAIN_COUNT; i++) {
    const PlainAttribute *plain = plain_attribute(i);
    if (!(info->attributes & plain->bit))
      continue;
    printf(plain->required ? "%s%s" : "%s[%s]", between, plain->text);
    between = ", ";
  }
}

static void page_sgir(void) {
  heading("SGIR", "5", "sgir - the textual IR of sgc(1)");
  fputs(".SH DESCRIPTION\n", stdout);
  put("What the compiler prints at every stage and reads back at every stage. "
      "The first line is `sgir 1 LEVEL'; then follow datasets, recipes, "
      "parameters, aliases and entries, one operation a line:\n");
  verbatim("%name : type * exponent = op(operands, attributes)\n");
  paragraph("% is a value, @ a parameter, state or entry, $ an exponent known "
            "at run time. A value is its data times 2 to the exponent.");
  fputs(".SH LEVELS\n", stdout);
  for (int i = LEVEL_PLAIN; i <= LEVEL_FINAL; i++) {
    put(level_name((Level)i));
    putchar('\n');
  }
  fputs(".SH OPERATIONS\nName, number of operands, the class by which "
        "recipes select it, attributes; those in brackets may be left out.\n",
        stdout);
  for (int i = 0; i < OP_COUNT; i++) {
    const OpInfo *info = op_info((Op)i);
    printf(".TP\n.B ");
    put(info->text);
    printf("\n%d, %s", info->inputs, classes[i]);
    op_attributes(info);
    putchar('\n');
  }
  char *passes = sg_topic("passes");
  fputs(".SH PASSES\n", stdout);
  verbatim(passes);
  free(passes);
  fputs(".SH SEE ALSO\n.BR sgc (1),\n.BR sg (5)\n", stdout);
}

/* ---- templates ----------------------------------------------------------- */

typedef struct {
  const char *separator;
  size_t length; /* of the separator */
  int count;
} List;

static void item(List *list, const char *text) {
  if (list->count++)
    printf("%.*s", (int)list->length, list->separator);
  fputs(text, stdout);
}

/* The words of a list; false if there is no such list. */
static bool put_list(const char *name, List *list) {
  if (strcmp(name, "reserved") == 0)
    for (int kind = TOKEN_FN; kind <= TOKEN_MINIMIZE; kind++)
      item(list, token_text(kind));
  else if (strcmp(name, "soft") == 0)
    for (int kind = TOKEN_MODULE; kind <= TOKEN_REPEAT; kind++)
      item(list, token_text(kind));
  else if (strcmp(name, "formats") == 0)
    for (int i = 0; i < FORMAT_COUNT; i++)
      item(list, format_info((Format)i)->text);
  else if (strcmp(name, "ops") == 0)
    for (int i = 0; i < OP_COUNT; i++)
      item(list, op_info((Op)i)->text);
  else if (strcmp(name, "levels") == 0)
    for (int i = LEVEL_PLAIN; i <= LEVEL_FINAL; i++)
      item(list, level_name((Level)i));
  else if (strcmp(name, "builtins") == 0) {
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++)
      item(list, builtins[i].name);
    for (int i = 0; reserved[i]; i++)
      item(list, reserved[i]);
  }
  return list->count > 0;
}

/* `@NAME:SEPARATOR@` at `text`: its length, or 0. */
static size_t put_placeholder(const char *text) {
  size_t name = strspn(text + 1, "abcdefghijklmnopqrstuvwxyz");
  if (name == 0 || text[1 + name] != ':')
    return 0;
  const char *separator = text + name + 2;
  const char *end = strchr(separator, '@');
  char word[16] = "";
  if (!end || name >= sizeof word)
    return 0;
  memcpy(word, text + 1, name);
  List list = {separator, (size_t)(end - separator), 0};
  return put_list(word, &list) ? (size_t)(end + 1 - text) : 0;
}

static sg_status expand(const char *path) {
  size_t length;
  const char *error;
  char *text = file_read(path, 1 << 20, &length, &error);
  if (!text) {
    fprintf(stderr, "sg-manual: %s: %s\n", path, error);
    return SG_FILE;
  }
  for (size_t i = 0; i < length;) {
    size_t n = text[i] == '@' ? put_placeholder(text + i) : 0;
    if (!n)
      putchar(text[i]);
    i += n ? n : 1;
  }
  free(text);
  return SG_OK;
}

int main(int argc, char **argv) {
  const char *page = argc >= 2 ? argv[1] : "";
  sg_status status = SG_OK;
  if (strcmp(page, "sgc") == 0)
    page_sgc();
  else if (strcmp(page, "sg") == 0)
    page_sg();
  else if (strcmp(page, "sgir") == 0)
    page_sgir();
  else if (strcmp(page, "expand") == 0 && argc == 3)
    status = expand(argv[2]);
  else
    status = SG_USAGE;
  if (status == SG_USAGE)
    fputs("usage: sg-manual sgc|sg|sgir|expand TEMPLATE\n", stderr);
  return status == SG_OK && fflush(stdout) != 0 ? SG_FILE : status;
}
