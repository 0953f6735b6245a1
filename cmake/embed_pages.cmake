# Writes OUT: a C file that defines explain_pages() over the pages of FOLDER.
file(GLOB files ${FOLDER}/*.md)
list(SORT files)
set(rows "")
set(arrays "")
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," list "${hex}")
  string(APPEND arrays "static const char ${name}[] = {${list}0};\n")
  string(APPEND rows "    {\"${name}\", ${name}},\n")
endforeach()
file(WRITE ${OUT} "/* Generated from compiler/explain by cmake/embed_pages.cmake. */
#include \"compiler/explain.h\"

${arrays}
static const ExplainPage pages[] = {
${rows}};

const ExplainPage *explain_pages(size_t *count) {
  *count = sizeof pages / sizeof pages[0];
  return pages;
}
")
