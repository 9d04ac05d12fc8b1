package config

import (
	"reflect"
	"slices"
	"strings"
)

// field is one key of a section struct.
type field struct {
	name  string
	value reflect.Value
}

type fieldList []field

// fieldsOf lists the keys of a section struct by its mapstructure tags, embedded structs with ",squash" included.
func fieldsOf(v reflect.Value) fieldList {
	var fs fieldList
	t := v.Type()
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("mapstructure")
		name, opts, _ := strings.Cut(tag, ",")
		switch {
		case opts == "squash":
			fs = append(fs, fieldsOf(v.Field(i))...)
		case name != "" && name != "-":
			fs = append(fs, field{name: name, value: v.Field(i)})
		}
	}
	return fs
}

func (fs fieldList) find(name string) (field, bool) {
	i := slices.IndexFunc(fs, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return fs[i], true
}

func (fs fieldList) names() []string {
	names := make([]string, 0, len(fs))
	for _, f := range fs {
		names = append(names, f.name)
		if _, taken := fs.find(f.name + "_file"); !taken && f.secret() {
			names = append(names, f.name+"_file")
		}
	}
	return names
}

// secret reports a key whose value must not be shown and may come from a file.
func (f field) secret() bool {
	return f.value.Kind() == reflect.String && isSecret(f.name)
}

func isSecret(key string) bool {
	for _, word := range []string{"password", "passphrase", "secret", "token", "salt"} {
		if key == word || strings.HasSuffix(key, "_"+word) {
			return true
		}
	}
	return false
}

// isSecretPath is isSecret for the last key of a path.
func isSecretPath(path string) bool {
	return isSecret(strings.TrimSuffix(path[strings.LastIndexByte(path, '.')+1:], "_file"))
}
