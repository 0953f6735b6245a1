# What is made from the tables of the compiler, and where it is installed.
add_executable(sg-manual compiler/manual/main.c)
target_link_libraries(sg-manual sg_command)

set(sg_made "")
foreach(page sgc.1 sg.5 sgir.5)
  get_filename_component(name ${page} NAME_WE)
  string(REGEX MATCH "[0-9]$" section ${page})
  set(out ${CMAKE_BINARY_DIR}/manual/${page})
  add_custom_command(OUTPUT ${out} COMMAND sg-manual ${name} > ${out}
                     DEPENDS sg-manual VERBATIM)
  list(APPEND sg_made ${out})
  install(FILES ${out} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

foreach(shell bash zsh fish)
  set(out ${CMAKE_BINARY_DIR}/completion/sgc.${shell})
  add_custom_command(OUTPUT ${out} COMMAND sgc --completion=${shell} > ${out}
                     DEPENDS sgc VERBATIM)
  list(APPEND sg_made ${out})
endforeach()
install(FILES ${CMAKE_BINARY_DIR}/completion/sgc.bash RENAME sgc
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${CMAKE_BINARY_DIR}/completion/sgc.zsh RENAME _sgc
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${CMAKE_BINARY_DIR}/completion/sgc.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# Editor files: templates are filled in, the others copied.
file(GLOB_RECURSE sg_editor_files CONFIGURE_DEPENDS
     RELATIVE ${CMAKE_SOURCE_DIR} editors/*.vim editors/*.json editors/*.in)
foreach(file ${sg_editor_files})
  string(REGEX REPLACE "\\.in$" "" target ${file})
  set(out ${CMAKE_BINARY_DIR}/${target})
  get_filename_component(folder ${out} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(OUTPUT ${out}
                     COMMAND sg-manual expand ${CMAKE_SOURCE_DIR}/${file} > ${out}
                     DEPENDS sg-manual ${CMAKE_SOURCE_DIR}/${file} VERBATIM)
  list(APPEND sg_made ${out})
endforeach()
install(DIRECTORY ${CMAKE_BINARY_DIR}/editors
        DESTINATION ${CMAKE_INSTALL_DATADIR}/sg)

file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/manual ${CMAKE_BINARY_DIR}/completion)
add_custom_target(sg-made ALL DEPENDS ${sg_made})
