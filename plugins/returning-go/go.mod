module example.com/wampgate-returning-policy

go 1.27
