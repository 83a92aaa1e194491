# holy_sheep_simple.py
import websocket
import json
import os
import threading
import time

class HolySheepStreamClient:
    def __init__(self, api_key):
        self.api_key = api_key
        self.ws = None
        self.full_response = []
        self.is_connected = False
        
    def on_message(self, ws, message):
        """메시지 수신 핸들러"""
        data = json.loads(message)
        
        if 'choices' in data:
            delta = data['choices'][0].get('delta', {})
            content = delta.get('content', '')
            
            if content:
                print(content, end='', flush=True)
                self.full_response.append(content)
                
            # 스트리밍 완료
            if data['choices'][0].get('finish_reason'):
                self.is_connected = False
                
    def on_error(self, ws, error):
        print(f'❌ WebSocket 오류: {error}')
        
    def on_close(self, ws, close_status_code, close_msg):
        print(f'\n🔌 연결 종료 (코드: {close_status_code})')
        
    def on_open(self, ws):
        """연결 열기 시 메시지 전송"""
        def send_message():
            messages = [
                {'role': 'user', 'content': 'DeepSeek V3.2의 장점을 실시간으로 설명해주세요.'}
            ]
            
            payload = {
                'model': 'deepseek-v3.2',
                'messages': messages,
                'stream': True,
                'max_tokens': 1500,
                'temperature': 0.6
            }
            
            ws.send(json.dumps(payload))
            
        threading.Thread(target=send_message).start()
        
    def stream(self, model='deepseek-v3.2'):
        """스트리밍 시작"""
        url = f'{os.environ["GATEWAY_URL"]}?model={model}'
        headers = json.dumps({
            'Authorization': f'Bearer {self.api_key}',
            'Content-Type': 'application/json'
        })
        
        self.ws = websocket.WebSocketApp(
            url,
            header={'Authorization': f'Bearer {self.api_key}'},
            on_message=self.on_message,
            on_error=self.on_error,
            on_close=self.on_close,
            on_open=self.on_open
        )
        
        self.is_connected = True
        print(f'🚀 HolySheep AI {model} 스트리밍 시작\n')
        self.ws.run_forever()
        
        return ''.join(self.full_response)


# 사용 예시
if __name__ == '__main__':
    client = HolySheepStreamClient(os.environ['GATEWAY_API_KEY'])
    response = client.stream()
    print(f'\n\n📊 총 응답 길이: {len(response)}자')
