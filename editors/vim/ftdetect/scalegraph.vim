autocmd BufNewFile,BufRead *.sg setfiletype sg
autocmd BufNewFile,BufRead *.sgir setfiletype sgir
