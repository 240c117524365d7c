module memcxx.example/values

go 1.19

require github.com/vmihailenco/msgpack/v4 v4.3.5

require (
	github.com/golang/protobuf v1.3.2 // indirect
	github.com/vmihailenco/tagparser v0.1.1 // indirect
	golang.org/x/net v0.0.0-20191209160850-c0dbc17a3553 // indirect
	google.golang.org/appengine v1.6.5 // indirect
)
