WORD = "common"
