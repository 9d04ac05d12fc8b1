// Package upgrade tests that one release can follow another, and go back: the state that this one writes is read by the one before it, and
// the other way round. Until there is a release, a commit stands for the one before (before_test.go).
package upgrade
