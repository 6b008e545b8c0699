package datetext

import (
	"slices"
	"strings"
	"unicode"
)

var (
	weekdays = [][]string{{"mon", "monday"}, {"tue", "tuesday"}, {"wed", "wednesday"}, {"thu", "thursday"}, {"fri", "friday"}, {"sat", "saturday"},
		{"sun", "sunday"}}
	months = [][]string{{"jan", "january"}, {"feb", "february"}, {"mar", "march"}, {"apr", "april"}, {"may"}, {"jun", "june"}, {"jul", "july"},
		{"aug", "august"}, {"sep", "sept", "september"}, {"oct", "october"}, {"nov", "november"}, {"dec", "december"}}
	fillers = []string{" ", ".", ",", ";", "-", "/", "'", "at", "on", "and", "ad", "m", "t", "of", "st", "nd", "rd", "th"}
)

// lookup returns the number of the entry that has the word, or -1.
func lookup(table [][]string, word string) int {
	return slices.IndexFunc(table, func(names []string) bool { return slices.Contains(names, word) })
}

func isFiller(word string) bool { return slices.Contains(fillers, word) }

func isMeridiem(word string) bool {
	return slices.Contains([]string{"am", "pm", "a", "p"}, strings.ToLower(word))
}

func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// isNumber accepts digits with at most one dot inside.
func isNumber(s string) bool {
	whole, fraction, dotted := strings.Cut(s, ".")
	return isDigits(whole) && (!dotted || isDigits(fraction))
}

// isZoneName accepts what may name a zone: up to five capitals, or z.
func isZoneName(s string) bool {
	return s == "z" || len(s) >= 1 && len(s) <= 5 && !strings.ContainsFunc(s, func(r rune) bool { return r < 'A' || r > 'Z' })
}

// tokenize cuts text into numbers, words, single blanks and other characters. A number may hold one dot, when digits follow it; a run of
// several (1.2.2024) falls apart into its parts. A comma in front of a fraction of a second counts as a dot.
func tokenize(text string) []string {
	var tokens []string
	runes := []rune(text)
	for i := 0; i < len(runes); {
		start := i
		switch r := runes[i]; {
		case r >= '0' && r <= '9':
			i = numberEnd(runes, i)
			tokens = append(tokens, splitNumber(runes[start:i])...)
			continue
		case unicode.IsLetter(r):
			for i < len(runes) && unicode.IsLetter(runes[i]) {
				i++
			}
		case unicode.IsSpace(r):
			for i < len(runes) && unicode.IsSpace(runes[i]) {
				i++
			}
			tokens = append(tokens, " ")
			continue
		default:
			i++
		}
		tokens = append(tokens, string(runes[start:i]))
	}
	return tokens
}

// numberEnd returns the end of digits, dots and decimal commas that start at i.
func numberEnd(runes []rune, i int) int {
	digits := 0
	for ; i < len(runes); i++ {
		isDigit := runes[i] >= '0' && runes[i] <= '9'
		followed := i+1 < len(runes) && runes[i+1] >= '0' && runes[i+1] <= '9'
		switch {
		case isDigit:
			digits++
		case runes[i] == '.' && followed:
		case runes[i] == ',' && followed && digits >= 2 && i >= 3 && runes[i-3] == ':':
			// 10:36:28,5
		default:
			return i
		}
	}
	return i
}

func splitNumber(number []rune) []string {
	text := strings.ReplaceAll(string(number), ",", ".")
	if strings.Count(text, ".") < 2 {
		return []string{text}
	}
	var tokens []string
	for i, part := range strings.Split(text, ".") {
		if i > 0 {
			tokens = append(tokens, ".")
		}
		tokens = append(tokens, part)
	}
	return tokens
}
