" Comments, two blanks of indent, and `sgc check` as the compiler of :make.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1

setlocal commentstring=#\ %s comments=:##,:#
setlocal expandtab shiftwidth=2 softtabstop=2
setlocal formatprg=sgc\ fmt\ -
setlocal makeprg=sgc\ check\ %:S
setlocal errorformat=%f:%l:%c:\ %trror:\ %m,%f:%l:%c:\ %tarning:\ %m,%-G%.%#
let b:undo_ftplugin = "setlocal com< cms< et< sw< sts< fp< mp< efm<"
