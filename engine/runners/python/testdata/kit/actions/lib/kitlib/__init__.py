WORD = "from actions/lib"
