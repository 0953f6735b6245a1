/* --completion=bash|zsh|fish: scripts made from the tables. In lists separated
 * by commas each name is completed. */
#include "compiler/command/command.h"

#include <stdlib.h>
#include <string.h>

/* The word a command is called by; the compiler itself has none. */
static const char *command_word(CommandId command) {
  const char *word = command_table[command].word;
  return word ? word : "compile";
}

/* Arguments that may be left out are not asked for. */
static bool takes_value(const OptionRow *row) {
  return row->argument && row->argument[0] != '[';
}

/* They come behind `=` only. */
static bool may_take_value(const OptionRow *row) {
  return row->argument && row->argument[0] == '[';
}

static bool takes_file(const OptionRow *row) {
  return row->values && strcmp(row->values, "@file") == 0;
}

static bool takes_folder(const OptionRow *row) {
  return row->values && strcmp(row->values, "@folder") == 0;
}

/* The words of an argument, separated by blanks. */
static void print_words(FILE *out, OptionId option) {
  char **words = option_words(option);
  for (int i = 0; words && words[i]; i++)
    fprintf(out, "%s%s", i ? " " : "", words[i]);
  words_free(words);
}

/* The codes that `sgc explain` knows, separated by blanks. */
static void print_codes(FILE *out) {
  char *list = sg_explain_list();
  const char *between = "";
  for (const char *line = list; *line;) {
    fprintf(out, "%s%.*s", between, (int)strcspn(line, ": "), line);
    between = " ";
    line += strcspn(line, "\n");
    line += *line == '\n';
  }
  free(list);
}

/* `text` for single quotes of a shell; `escaped`: characters that get a
 * backslash besides. */
static void print_quoted(FILE *out, const char *text, const char *escaped) {
  for (; *text; text++) {
    if (*text == '\'')
      fputs("'\\''", out);
    else if (strchr(escaped, *text))
      fprintf(out, "\\%c", *text);
    else
      fputc(*text, out);
  }
}

static void print_help(FILE *out, OptionId option, const char *escaped) {
  char *help = option_help(option);
  print_quoted(out, help, escaped);
  free(help);
}

/* ---- bash --------------------------------------------------------------- */

/* What an option is called as the word before its value. */
static void print_bash_names(FILE *out, const OptionRow *row,
                             const char *command) {
  const char *between = "";
  if (row->name) {
    fprintf(out, "%s:--%s", command, row->name);
    between = "|";
  }
  if (row->letter) {
    fprintf(out, "%s%s:-%c", between, command, row->letter);
    between = "|";
  }
  if (row->spelled)
    fprintf(out, "%s%s:%.*s", between, command, (int)strcspn(row->spelled, "="),
            row->spelled);
}

/* The action of a case: what the value may be. */
static void print_bash_value(FILE *out, OptionId option) {
  const OptionRow *row = &option_table[option];
  if (takes_file(row)) {
    fputs("COMPREPLY=($(compgen -P \"$head\" -f -- \"$cur\"))", out);
  } else if (takes_folder(row)) {
    fputs("COMPREPLY=($(compgen -P \"$head\" -d -- \"$cur\"))", out);
  } else if (row->values) {
    fputs("COMPREPLY=($(compgen -P \"$head$before\" -W '", out);
    print_words(out, option);
    fputs("' -- \"${cur##*,}\"))", out);
  } else {
    fputs("COMPREPLY=()", out);
  }
}

static void print_bash_values(FILE *out, CommandId command) {
  for (int i = 0; i < OPTION_COUNT; i++) {
    const OptionRow *row = &option_table[i];
    if (!row->argument || !option_is_for(i, command))
      continue;
    fputs("    ", out);
    print_bash_names(out, row, command_word(command));
    fputs(may_take_value(row) ? ")\n      [[ $equals ]] || prev=''\n      "
                              : ")\n      ",
          out);
    print_bash_value(out, i);
    fputs(" ;;\n", out);
  }
}

/* -O2, -Wno-NAME: the value in the word of the option. */
static void print_bash_joined(FILE *out, CommandId command) {
  for (int i = 0; i < OPTION_COUNT; i++) {
    const OptionRow *row = &option_table[i];
    if (!row->spelled || !row->values || takes_file(row) ||
        strchr(row->spelled, '=') || !option_is_for(i, command))
      continue;
    fprintf(out, "    %s:%s*)\n      COMPREPLY=($(compgen -P %s -W '",
            command_word(command), row->spelled, row->spelled);
    print_words(out, i);
    fprintf(out, "' -- \"${cur#%s}\"))\n      return ;;\n", row->spelled);
  }
}

/* `=` divides words: -Werror=NAME has its name in a word of its own. */
static void print_bash_warnings(FILE *out) {
  fputs("    *:-Werror | *:-Wno-error)\n"
        "      COMPREPLY=($(compgen -P \"$head\" -W '",
        out);
  for (const char *const *name = sg_warnings(); *name; name++)
    fprintf(out, "%s%s", name == sg_warnings() ? "" : " ", *name);
  fputs("' -- \"$cur\")) ;;\n", out);
}

/* All options of a command; what takes a value ends in `=`. */
static void print_bash_options(FILE *out, CommandId command) {
  fprintf(out, "      %s) options='", command_word(command));
  const char *between = "";
  for (int i = 0; i < OPTION_COUNT; i++) {
    const OptionRow *row = &option_table[i];
    if (!option_is_for(i, command))
      continue;
    if (row->spelled)
      fprintf(out, "%s%s", between, row->spelled);
    else if (row->name)
      fprintf(out, "%s--%s%s", between, row->name, takes_value(row) ? "=" : "");
    else
      fprintf(out, "%s-%c", between, row->letter);
    between = " ";
  }
  fputs("' ;;\n", out);
}

static void print_commands(FILE *out, const char *between) {
  const char *before = "";
  for (int i = 0; i < COMMAND_COUNT; i++) {
    if (!command_table[i].word)
      continue;
    fprintf(out, "%s%s", before, command_table[i].word);
    before = between;
  }
}

static void bash_head(FILE *out) {
  fputs("# bash completion for sgc, made by sgc --completion=bash\n"
        "_sgc() {\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]}\n"
        "  local prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
        "  local head='' before='' equals='' command=compile options=''\n"
        "  COMPREPLY=()\n"
        "  # `=` is a word of its own in COMP_WORDS, unless COMP_WORDBREAKS\n"
        "  # lacks it\n"
        "  if [[ $cur == '=' ]]; then\n"
        "    cur='' equals=1\n"
        "  elif [[ $prev == '=' ]]; then\n"
        "    prev=${COMP_WORDS[COMP_CWORD - 2]} equals=1\n"
        "  elif [[ $cur == -*=* ]]; then\n"
        "    prev=${cur%%=*} head=${cur%%=*}= cur=${cur#*=} equals=1\n"
        "  fi\n"
        "  [[ $cur == *,* ]] && before=${cur%,*},\n"
        "  case ${COMP_WORDS[1]} in\n    ",
        out);
  print_commands(out, " | ");
  fputs(") command=${COMP_WORDS[1]} ;;\n  esac\n"
        "  [[ $COMP_CWORD == 1 ]] && command=compile\n",
        out);
}

static void bash_options(FILE *out) {
  fputs("  case $command:$cur in\n", out);
  for (int i = 0; i < COMMAND_COUNT; i++)
    print_bash_joined(out, (CommandId)i);
  fputs("  esac\n"
        "  case $command:$prev in\n",
        out);
  print_bash_warnings(out);
  for (int i = 0; i < COMMAND_COUNT; i++)
    print_bash_values(out, (CommandId)i);
  fputs("    *) prev='' ;;\n  esac\n"
        "  [[ -n $prev ]] && return\n"
        "  if [[ $cur == -* ]]; then\n"
        "    case $command in\n",
        out);
  for (int i = 0; i < COMMAND_COUNT; i++)
    print_bash_options(out, (CommandId)i);
  fputs("    esac\n"
        "    COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
        "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null\n"
        "    return\n"
        "  fi\n",
        out);
}

static void bash(FILE *out) {
  bash_head(out);
  bash_options(out);
  fputs("  COMPREPLY=($(compgen -f -X '!*.sg' -- \"$cur\"\n"
        "    compgen -f -X '!*.sgir' -- \"$cur\"; compgen -d -- \"$cur\"))\n"
        "  [[ $COMP_CWORD == 1 ]] &&\n"
        "    COMPREPLY+=($(compgen -W '",
        out);
  print_commands(out, " ");
  fputs("' -- \"$cur\"))\n"
        "  [[ $command == explain ]] &&\n"
        "    COMPREPLY+=($(compgen -W '",
        out);
  print_codes(out);
  fputs("' -- \"$cur\"))\n"
        "  compopt -o filenames 2>/dev/null\n"
        "}\n"
        "complete -F _sgc sgc\n",
        out);
}

/* ---- zsh ---------------------------------------------------------------- */

/* `[help]:argument:(words)'` after the name of the option. */
static void print_zsh_rest(FILE *out, OptionId option) {
  const OptionRow *row = &option_table[option];
  fputc('[', out);
  print_help(out, option, "[]:\\");
  fputc(']', out);
  if (row->argument) {
    fputs(may_take_value(row) ? "::" : ":", out);
    print_quoted(out, row->argument, "[]:\\");
    fputc(':', out);
    if (takes_file(row)) {
      fputs("_files", out);
    } else if (takes_folder(row)) {
      fputs("_files -/", out);
    } else if (row->values) {
      bool list = strcmp(row->argument, "LIST") == 0;
      fputs(list ? "_values -s , " : "(", out);
      print_quoted(out, list ? row->argument : "", "");
      fputs(list ? " " : "", out);
      print_words(out, option);
      fputs(list ? "" : ")", out);
    }
  }
  fputs("' \\\n", out);
}

/* `*` lets an option be given again. */
static void print_zsh_option(FILE *out, OptionId option) {
  const OptionRow *row = &option_table[option];
  if (row->name && !row->spelled) {
    fprintf(out, "    '*--%s%s", row->name,
            takes_value(row)      ? "="
            : may_take_value(row) ? "=-"
                                  : "");
    print_zsh_rest(out, option);
  }
  if (row->letter) {
    fprintf(out, "    '*-%c%s", row->letter, takes_value(row) ? "+" : "");
    print_zsh_rest(out, option);
  }
  if (row->spelled) {
    fprintf(out, "    '*%s%s", row->spelled, takes_value(row) ? "-" : "");
    print_zsh_rest(out, option);
  }
}

static void zsh(FILE *out) {
  fputs("#compdef sgc\n"
        "# zsh completion for sgc, made by sgc --completion=zsh\n",
        out);
  for (int i = 0; i < COMMAND_COUNT; i++) {
    fprintf(out, "\n_sgc_%s() {\n  _arguments -S \\\n",
            command_word((CommandId)i));
    for (int option = 0; option < OPTION_COUNT; option++)
      if (option_is_for(option, (CommandId)i))
        print_zsh_option(out, option);
    fputs(i == COMMAND_explain ? "    '*:code or file:_sgc_codes'\n}\n"
                               : "    '*:file:_files -g \"*.(sg|sgir)\"'\n}\n",
          out);
  }
  fputs("\n_sgc_codes() {\n  _alternative 'codes:code:(", out);
  print_codes(out);
  fputs(")' 'files:file:_files -g \"*.(sg|sgir)\"'\n}\n", out);
  fputs("\n_sgc() {\n  local -a commands=(", out);
  print_commands(out, " ");
  fputs(")\n"
        "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
        "    _describe command commands\n"
        "    _files -g '*.(sg|sgir)'\n"
        "  elif (( CURRENT > 2 && ${commands[(Ie)$words[2]]} )); then\n"
        "    local command=$words[2]\n"
        "    shift words\n"
        "    (( CURRENT-- ))\n"
        "    _sgc_$command\n"
        "  else\n"
        "    _sgc_compile\n"
        "  fi\n"
        "}\n\n_sgc \"$@\"\n",
        out);
}

/* ---- fish --------------------------------------------------------------- */

static void print_fish_condition(FILE *out, CommandId command) {
  if (command_table[command].word) {
    fprintf(out, "complete -c sgc -n '__fish_seen_subcommand_from %s'",
            command_table[command].word);
    return;
  }
  fputs("complete -c sgc -n 'not __fish_seen_subcommand_from ", out);
  print_commands(out, " ");
  fputc('\'', out);
}

static void print_fish_option(FILE *out, CommandId command, OptionId option) {
  const OptionRow *row = &option_table[option];
  print_fish_condition(out, command);
  if (row->name && !row->spelled)
    fprintf(out, " -l %s", row->name);
  if (row->letter)
    fprintf(out, " -s '%c'", row->letter);
  if (row->spelled)
    fprintf(out, " -%c %.*s", strlen(row->spelled) == 2 ? 's' : 'o',
            (int)strcspn(row->spelled, "=") - 1, row->spelled + 1);
  if (takes_value(row))
    fputs(takes_file(row) || takes_folder(row) ? " -r" : " -x", out);
  if (row->values && row->values[0] != '@') {
    fprintf(out, " -a '%s'", row->values);
  } else if (takes_folder(row)) {
    fputs(" -a '(__fish_complete_directories)'", out);
  } else if (row->values && !takes_file(row)) {
    fputs(" -a '", out);
    print_words(out, option);
    fputc('\'', out);
  }
  fputs(" -d '", out);
  print_help(out, option, "\\");
  fputs("'\n", out);
}

static void fish(FILE *out) {
  fputs("# fish completion for sgc, made by sgc --completion=fish\n", out);
  for (int i = 0; i < COMMAND_COUNT; i++) {
    const CommandRow *row = &command_table[i];
    if (row->word)
      fprintf(out, "complete -c sgc -n __fish_use_subcommand -a %s -d '%s'\n",
              row->word, row->does);
  }
  for (int i = 0; i < COMMAND_COUNT; i++)
    for (int option = 0; option < OPTION_COUNT; option++)
      if (option_is_for(option, (CommandId)i))
        print_fish_option(out, (CommandId)i, option);
  print_fish_condition(out, COMMAND_explain);
  fputs(" -a '", out);
  print_codes(out);
  fputs("'\n", out);
}

void completion_print(FILE *out, const char *shell) {
  if (strcmp(shell, "bash") == 0)
    bash(out);
  else if (strcmp(shell, "zsh") == 0)
    zsh(out);
  else
    fish(out);
}
