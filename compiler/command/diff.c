/* `sgc diff FILE FILE`: what two programs differ in; `sgc diff FILE --recipe=A
 * --recipe=B`: what one does under two recipes. Exit codes as of diff(1).
 */
#include "compiler/command/command.h"

#include <stdlib.h>
#include <string.h>

static bool is_recipe(const Setting *setting) {
  return strcmp(setting->name, "recipe") == 0;
}

static int count_recipes(const Command *command) {
  int count = 0;
  for (int i = 0; i < command->setting_count; i++)
    count += is_recipe(&command->setting[i]);
  return count;
}

/* A context with all settings but the recipes other than number `which`. */
static sg_context *open_with_recipe(const Command *command, int which,
                                    sg_status *status) {
  Command own = *command;
  own.setting = calloc((size_t)command->setting_count, sizeof *own.setting);
  own.setting_count = 0;
  if (!own.setting)
    exit(SG_INTERNAL);
  int recipe = 0;
  for (int i = 0; i < command->setting_count; i++)
    if (!is_recipe(&command->setting[i]) || recipe++ == which)
      own.setting[own.setting_count++] = command->setting[i];
  sg_context *sg = command_open(&own, status);
  free(own.setting);
  return sg;
}

/* Program `which` of the two. */
static sg_context *load(const Command *command, int which, sg_status *status) {
  bool one = command->word_count == 1;
  sg_context *sg = one ? open_with_recipe(command, which, status)
                       : command_open(command, status);
  if (sg)
    *status = sg_load(sg, command->word[one ? 0 : which]);
  return sg;
}

/* Two files, or one file and two recipes. */
static bool check_form(const Command *command) {
  int recipes = count_recipes(command);
  if (command->word_count == 2 && recipes <= 1)
    return true;
  if (command->word_count == 2)
    command_error(command, "two files are compared under one recipe; "
                           "under two recipes, one file");
  else if (strcmp(command->word[0], "-") == 0)
    command_error(command, "standard input can be read once only");
  else if (recipes != 2)
    command_error(command, "needs FILE FILE, or FILE --recipe=A "
                           "--recipe=B");
  return command->word_count == 1 && recipes == 2 &&
         strcmp(command->word[0], "-") != 0;
}

sg_status command_diff(Command *command) {
  sg_status status;
  int different = 0;
  if (!check_form(command))
    return SG_USAGE;
  const char *stage = command->exec.stage;
  if (!stage && command->word_count == 1)
    stage = "formatted"; /* where a recipe has had its say */
  sg_context *a = load(command, 0, &status), *b = NULL;
  if (status == SG_OK)
    b = load(command, 1, &status);
  if (status == SG_OK)
    status = sg_diff(a, b, stage, "-", &different);
  sg_close(a);
  sg_close(b);
  return status == SG_OK && different ? SG_PROGRAM : status;
}
