package capture

// NameGiver is implemented by configs of sources that call things on a server after the pipeline, unless they are told otherwise.
type NameGiver interface {
	// NamedAfter gives the settings of the source, each as "key: value", by which these things keep their names when the pipeline
	// gets another one. Those that are set already are left out.
	NamedAfter(pipeline string) []string
}
