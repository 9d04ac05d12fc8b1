package schema

import "cmp"

// createDatabase takes a new database in. One that is there already stays as it is.
func (a *application) createDatabase(name string) error {
	key := a.catalog.fold(Name{Database: name}).Database
	if a.ifNotExists && !a.catalog.dropped[key] {
		return nil // it may have been there with another collation, which whoever needs it must ask for
	}
	if a.orReplace {
		a.dropDatabase(name)
	}
	base := cmp.Or(a.session.Server, a.server.Collation)
	return a.setDatabase(key, base, base)
}

func (a *application) alterDatabase(name string) error {
	if name == "" {
		name = a.session.Database
	}
	key := a.catalog.fold(Name{Database: name}).Database
	return a.setDatabase(key, a.catalog.databases[key], cmp.Or(a.session.Server, a.server.Collation))
}

// setDatabase gives a database the collation that the statement says, where inherited is what holds without.
func (a *application) setDatabase(key, inherited, base string) error {
	o := a.options[0]
	if inherited == "" && o.charset == "" && o.collation == "" {
		return nil
	}
	d, err := a.ofTable(o, inherited, base)
	if err != nil {
		return err
	}
	a.putDatabase(key, d)
	return nil
}

// putDatabase notes the collation of a database; "": it is gone.
func (a *application) putDatabase(key, collation string) {
	if a.databases == nil {
		a.databases = map[string]string{}
	}
	a.databases[key] = collation
}

func (a *application) dropDatabase(name string) {
	key := a.catalog.fold(Name{Database: name}).Database
	for _, n := range a.catalog.Names() {
		if n.Database == key {
			a.set(n, nil)
		}
	}
	a.putDatabase(key, "")
}
