package mysql

import (
	"regexp"
	"strings"
)

var (
	ownerOf = regexp.MustCompile(`#\d+`)
	anyUUID = regexp.MustCompile(`[[:xdigit:]]{8}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{12}`)
)

// parseOwned reads gtid_owned, "uuid:3#17:5#18": each number with the threads that own it. Nothing stands between an owner and the
// next source, whose UUID may begin with digits too.
func parseOwned(text string) (gtidSet, error) {
	var parts []string
	at := anyUUID.FindAllStringIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		numbers := strings.Trim(ownerOf.ReplaceAllString(text[m[1]:end], ""), ", :\n")
		if numbers != "" {
			parts = append(parts, text[m[0]:m[1]]+":"+numbers)
		}
	}
	return parseGTIDSet(strings.Join(parts, ","))
}
