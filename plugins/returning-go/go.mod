module example.com/wampgate-example

go 1.27
