# Writes OUT: a C file that defines standard_library() over the texts of FILES.
set(rows "")
set(arrays "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR bytes "${digits} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," list "${hex}")
  string(APPEND arrays "static const char ${name}_text[] = {${list}0};\n")
  string(APPEND rows "    {\"${name}\", ${name}_text, ${bytes}},\n")
endforeach()
file(WRITE ${OUT} "/* Generated from compiler/std by cmake/embed.cmake. */
#include \"compiler/front/front.h\"

${arrays}
static const StandardFile files[] = {
${rows}};

const StandardFile *standard_library(size_t *count) {
  *count = sizeof files / sizeof files[0];
  return files;
}
")
