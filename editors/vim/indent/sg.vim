" One level for each line that leaves brackets open, one for a line that goes on
" behind an operator; closing brackets that begin a line are out already.
if exists("b:did_indent")
  finish
endif
let b:did_indent = 1

setlocal indentexpr=SgIndent(v:lnum) indentkeys=0},0),0],o,O
let b:undo_indent = "setlocal inde< indk<"

if exists("*SgIndent")
  finish
endif

" A line without strings and comments.
function s:Code(lnum)
  let line = substitute(getline(a:lnum), '"\([^"\\]\|\\.\)*"', '""', 'g')
  return substitute(line, '\s*#.*$', '', '')
endfunction

" Brackets that a line leaves open, less those that it closes.
function s:Open(text)
  return len(substitute(a:text, '[^({[]', '', 'g'))
     \ - len(substitute(a:text, '[^)}\]]', '', 'g'))
endfunction

function s:GoesOn(text)
  return a:text =~# '\([-+*/%=<>@,]\|->\|\<\(and\|or\|not\)\)$'
endfunction

function SgIndent(lnum)
  let before = prevnonblank(a:lnum - 1)
  if before == 0
    return 0
  endif
  let text = s:Code(before)
  let inner = substitute(text, '^\s*[)}\]]*', '', '')
  let level = indent(before)
  if s:Open(inner) > 0
    let level += shiftwidth()
  elseif s:Open(inner) < 0
    let level -= shiftwidth()
  endif
  let earlier = prevnonblank(before - 1)
  let went_on = earlier > 0 && s:GoesOn(s:Code(earlier))
  if s:GoesOn(text) && !went_on && s:Open(inner) == 0
    let level += shiftwidth()
  elseif !s:GoesOn(text) && went_on && s:Open(inner) == 0
    let level -= shiftwidth()
  endif
  if getline(a:lnum) =~# '^\s*[)}\]]'
    let level -= shiftwidth()
  endif
  return level < 0 ? 0 : level
endfunction
